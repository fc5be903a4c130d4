"""What the kinds look like: their bodies, bent as their joints say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faimtrack.datasets.crowd.integers import SINE_ONE, cosine, sine
from faimtrack.datasets.crowd.objects.bodies import (
    BODY,
    DARK,
    GLASS,
    LIGHT,
    LIMB,
    SPRAY,
    Body,
    Disc,
    Joints,
    Length,
)


def _spine(body: Body, joints: Joints, radii: tuple[int, ...], bend: int) -> list[Disc]:
    """A back from head to tail that winds, and coils in the rare pose."""
    count = len(radii)
    step = 1024 // (count - 1)
    zero = np.zeros_like(joints.phase)
    x, z = zero + 512, zero
    discs: list[Disc] = [(x, radii[0] // 2, z, radii[0])]
    heading = zero
    for number in range(1, count):
        winding = sine(joints.phase + 1024 * number * 2 // count) * bend // SINE_ONE
        winding = winding * (SINE_ONE - joints.curl) // SINE_ONE
        heading = winding + joints.curl * number * 118 // SINE_ONE
        x = x - step * cosine(heading) // SINE_ONE
        z = z + step * sine(heading) // SINE_ONE
        discs.append((x, radii[number] // 2, z, radii[number]))
    centre_x = sum((disc[0] for disc in discs), start=zero) // count
    centre_z = sum((disc[2] for disc in discs), start=zero) // count
    discs = [(x - centre_x, y, z - centre_z, r) for x, y, z, r in discs]
    body.chain(BODY, *discs)
    return discs


def _eyes(body: Body, x: Length, y: Length, z: Length, apart: int, radius: int) -> None:
    for side in (-1, 1):
        body.part(DARK, (x, y, z + side * apart, radius))


def snake(body: Body, joints: Joints) -> None:
    """A long body without limbs, a head wider than the neck."""
    discs = _spine(body, joints, (38, 42, 30, 38, 44, 48, 48, 46, 42, 36, 28, 18, 8), 150)
    x, _, z, _ = discs[0]
    body.part(BODY, discs[0], (x + 40, 18, z, 16))
    body.part(DARK, (x + 40, 10, z, 6), (x + 96, 10, z, 5))
    _eyes(body, x + 8, 50, z, 24, 9)
    for disc in discs[3:10:2]:
        body.part(LIGHT, (disc[0], 60, disc[2], 20))


def lizard(body: Body, joints: Joints) -> None:
    """The same body on four short legs."""
    discs = _spine(body, joints, (34, 46, 34, 46, 58, 58, 48, 36, 28, 22, 16, 12, 6), 100)
    x, _, z, _ = discs[0]
    body.part(BODY, discs[0], (x + 56, 16, z, 15))
    _eyes(body, x + 8, 52, z, 26, 10)
    reach = joints.between(120, 12)
    for spot, ahead in ((3, 46), (6, -34)):
        hip_x, hip_z = discs[spot][0], discs[spot][2]
        for side in (-1, 1):
            shift = 512 if (side > 0) == (spot == 3) else 0
            stride = joints.wave(shift, 60)
            knee = (hip_x + ahead + stride // 2, 24, hip_z + side * (reach * 3 // 5 + 30), 21)
            foot = (hip_x + 2 * ahead + stride, 6, hip_z + side * (reach + 40), 15)
            body.chain(LIMB, (hip_x, 30, hip_z + side * 20, 26), knee, foot)
            for toe in (-26, 4, 34):
                end = (foot[0] + toe, 4, foot[2] + side * reach // 4, 7)
                body.part(LIMB, foot, end)
    for disc in discs[3:10:2]:
        body.part(LIGHT, (disc[0], 64, disc[2], 20))


def watercraft(body: Body, joints: Joints) -> None:
    """A hull with a cabin, a mast and a boom; low behind swells in the rare pose."""
    low = joints.between(1024, 330)
    roll = joints.wave(0, 24)

    def at(x: int, y: int, z: int = 0, radius: int = 8) -> Disc:
        height = y * low // SINE_ONE
        return (x, height, z + roll * y // 256, radius)

    body.part(BODY, at(-440, 120, 0, 14), at(480, 150, 0, 10), at(-390, 16, 0, 16),
              at(360, 16, 0, 16))  # fmt: skip
    for side in (-1, 1):
        stern, bow = at(-430, 112, 90 * side, 14), at(320, 122, 90 * side, 12)
        body.part(LIMB, stern, bow, at(-380, 20), at(330, 20))
    body.part(LIMB, at(-430, 114, 90), at(320, 124, 90), at(-430, 114, -90), at(320, 124, -90))
    body.part(LIGHT, at(-430, 128, 0, 9), at(470, 158, 0, 7))
    body.part(LIGHT, at(-300, 150, 0, 22), at(-40, 150, 0, 22), at(-280, 262, 0, 16),
              at(-70, 262, 0, 16))  # fmt: skip
    for x in (-240, -170, -100):
        body.part(GLASS, at(x, 222, 30, 20))
        body.part(GLASS, at(x, 222, -30, 20))
    body.part(DARK, at(70, 150, 0, 10), at(62, 470, 0, 7))
    body.part(DARK, at(70, 400, 0, 6), at(330, 190, 0, 6))
    body.part(DARK, at(-200, 280, 0, 22), at(-214, 344, 0, 20))


def whale(body: Body, joints: Joints) -> None:
    """A back out of the water, a fin, a fluke and now and then a blow."""
    low = joints.between(1024, 330)
    beat = joints.wave(0, 60)

    def at(x: int, y: Length, z: int = 0, radius: int = 8) -> Disc:
        return (x, y * low // SINE_ONE, z, radius)

    body.part(BODY, at(-380, 10, 0, 14), at(-130, 112, 0, 44), at(180, 124, 0, 62),
              at(440, 24, 0, 32))  # fmt: skip
    for side in (-1, 1):
        body.part(LIMB, at(-300, 12, 40 * side, 14), at(-80, 60, 70 * side, 40),
                  at(200, 64, 80 * side, 50), at(400, 14, 50 * side, 22))  # fmt: skip
    body.part(LIGHT, at(300, 12, 0, 16), at(452, 8, 0, 14))
    body.part(BODY, at(-120, 150, 0, 26), at(-190, 246, 0, 10))
    stem = at(-500, 130 + beat, 0, 22)
    body.chain(BODY, at(-420, 6, 0, 34), stem)
    for side in (-1, 1):
        tip = at(-590, 216 + beat, 130 * side, 12)
        body.part(BODY, stem, at(-560, 180 + beat, 60 * side, 24), tip)
    body.part(DARK, at(390, 50, 40, 9))
    body.part(DARK, at(390, 50, -40, 9))
    blow = np.maximum(sine(joints.phase * 2 + 300), 0) * 300 // SINE_ONE
    width = 6 + blow // 8
    for lean in (-1, 1):
        top = (270 + lean * blow // 5, (190 + blow) * low // SINE_ONE, 0, width)
        body.part(SPRAY, at(270, 176, 0, 8), top)


def airplane(body: Body, joints: Joints) -> None:
    """Stiff swept wings, engines and a fin; banked steeply in the rare pose."""
    angle = joints.curl * 230 // SINE_ONE
    bank_sine, bank_cosine = sine(angle), cosine(angle)

    def at(x: int, y: int, z: int, radius: int) -> Disc:
        up = (y * bank_cosine + z * bank_sine) // SINE_ONE
        left = (z * bank_cosine - y * bank_sine) // SINE_ONE
        return (x, up, left, radius)

    body.chain(BODY, at(480, -8, 0, 34), at(380, 0, 0, 62), at(-60, 0, 0, 66),
               at(-500, 24, 0, 20))  # fmt: skip
    body.part(GLASS, at(430, 34, 24, 17))
    body.part(GLASS, at(430, 34, -24, 17))
    for side in (-1, 1):
        body.part(LIMB, at(150, -16, 50 * side, 14), at(-70, -16, 50 * side, 12),
                  at(-170, 26, 570 * side, 9), at(-240, 26, 570 * side, 8))  # fmt: skip
        body.part(DARK, at(90, -58, 220 * side, 36), at(-40, -50, 220 * side, 28))
        body.part(LIMB, at(-400, 36, 30 * side, 10), at(-490, 36, 30 * side, 8),
                  at(-520, 44, 210 * side, 7), at(-570, 44, 210 * side, 6))  # fmt: skip
    body.part(LIGHT, at(-360, 50, 0, 12), at(-500, 40, 0, 10), at(-500, 230, 0, 8),
              at(-570, 230, 0, 8))  # fmt: skip
    body.part(LIGHT, at(340, 6, 58, 10), at(-300, 14, 50, 8))
    body.part(LIGHT, at(340, 6, -58, 10), at(-300, 14, -50, 8))


def bird(body: Body, joints: Joints) -> None:
    """Bent wings that beat, a fanned tail and a beak; wings folded in the rare pose."""
    body.chain(BODY, (380, 30, 0, 62), (120, 0, 0, 84), (-160, 0, 0, 70), (-420, 16, 0, 26))
    body.part(DARK, (440, 26, 0, 26), (560, 6, 0, 7))
    _eyes(body, 412, 46, 0, 44, 12)
    body.part(LIGHT, (180, -50, 0, 52), (-120, -44, 0, 44))
    spread = joints.between(1024, 180)
    back = joints.between(0, 260)
    inner, outer = joints.wave(0, 210), joints.wave(-120, 420)
    fan = joints.between(120, 40)
    body.part(LIMB, (-400, 16, 0, 22), (-590, 16, fan, 12), (-610, 16, 0, 14),
              (-590, 16, -fan, 12))  # fmt: skip
    for side in (-1, 1):
        elbow_z = side * (60 + spread * 250 // 1024)
        tip_z = side * (60 + spread * 540 // 1024)
        lift = 40 + inner * spread // 1024
        tip_lift = 10 + (inner // 2 + outer) * spread // 1024
        elbow_front = (150 - back // 2, lift, elbow_z, 18)
        elbow_back = (-110 - back, lift, elbow_z, 16)
        body.part(LIMB, (150, 24, 50 * side, 20), (-110, 24, 50 * side, 18), elbow_front,
                  elbow_back)  # fmt: skip
        body.part(LIMB, elbow_front, elbow_back, (-130 - back, tip_lift, tip_z, 10),
                  (-230 - back, tip_lift, tip_z - side * 40, 9))  # fmt: skip
        body.part(DARK, (-130 - back, tip_lift + 4, tip_z, 11),
                  (-150 - back, (lift + tip_lift) // 2 + 4, (elbow_z + tip_z) // 2, 12),
                  (-230 - back, tip_lift + 4, tip_z - side * 40, 8))  # fmt: skip


_CENTRE = 400  # Of a body that stands, over the ground.


def _dog_like(body: Body, joints: Joints) -> tuple[Length, Length, Length]:
    """Trunk, neck and legs of dog and fox; where the head is."""
    drop = joints.between(0, 270)
    bob = joints.wave(256, 14) - _CENTRE - drop
    chest: Disc = (joints.between(220, 170), 430 + bob, 0, 112)
    middle: Disc = (0, 415 + bob, 0, 96)
    hip: Disc = (joints.between(-240, -190), 430 + bob, 0, 102)
    body.chain(BODY, chest, middle, hip)
    for x, ahead in ((220, 20), (-250, -30)):
        for side in (-1, 1):
            shift = (0 if x > 0 else 512) + (0 if side > 0 else 512)
            stride = joints.wave(shift, 150)
            lift = np.maximum(joints.wave(shift + 256, 60), 0)
            z = side * 68
            knee_y = joints.between(200, 110) - _CENTRE + lift
            foot_y = joints.between(28, 40) - _CENTRE + lift
            fold = joints.between(0, 150)
            knee = (x + ahead + stride // 2, knee_y, z, 40)
            foot = (x + stride + fold, foot_y, z, 28)
            body.chain(LIMB, (x, 370 + bob, z, 62), knee, foot)
            body.part(DARK, foot, (foot[0] + 34, foot_y, z, 24))
    head_x = joints.between(440, 250)
    head_y = joints.between(650 - _CENTRE, 190 - _CENTRE) + joints.wave(256, 20)
    head_z = joints.between(0, 90)
    body.part(BODY, chest, (head_x - 40, head_y - 20, head_z, 66))
    body.part(BODY, (head_x, head_y, head_z, 84))
    return head_x, head_y, head_z


def dog(body: Body, joints: Joints) -> None:
    """A blunt muzzle, hanging ears, a thin tail held high."""
    x, y, z = _dog_like(body, joints)
    body.part(LIGHT, (x + 50, y - 34, z, 50), (x + 128, y - 44, z, 44))
    body.part(DARK, (x + 166, y - 30, z, 18))
    _eyes(body, x + 56, y + 26, z, 58, 13)
    for side in (-1, 1):
        top = (x - 16, y + 44, z + side * 66, 26)
        body.part(DARK, top, (x - 44, y - 84, z + side * 84, 34))
    wag = joints.wave(128, 60)
    body.chain(BODY, (joints.between(-330, -270), joints.between(480, 170) - _CENTRE, 0, 28),
               (joints.between(-430, -180), joints.between(610, 90) - _CENTRE, wag, 22),
               (joints.between(-400, 0), joints.between(760, 50) - _CENTRE, wag, 15))  # fmt: skip


def fox(body: Body, joints: Joints) -> None:
    """A pointed muzzle, upright ears, a bushy tail with a light tip."""
    x, y, z = _dog_like(body, joints)
    body.part(BODY, (x + 20, y - 20, z, 62), (x + 180, y - 56, z, 15))
    body.part(LIGHT, (x + 30, y - 62, z, 26), (x + 150, y - 66, z, 10))
    body.part(DARK, (x + 188, y - 52, z, 13))
    _eyes(body, x + 56, y + 22, z, 56, 13)
    for side in (-1, 1):
        base = (x - 24, y + 56, z + side * 50, 34)
        body.part(BODY, base, (x - 40, y + 166, z + side * 62, 7))
        body.part(DARK, (x - 34, y + 128, z + side * 60, 12), (x - 40, y + 166, z + side * 62, 7))
    wag = joints.wave(128, 40)
    first: Disc = (joints.between(-330, -270), joints.between(440, 170) - _CENTRE, 0, 36)
    second: Disc = (joints.between(-490, -190), joints.between(350, 90) - _CENTRE, wag, 84)
    third: Disc = (joints.between(-640, 0), joints.between(270, 56) - _CENTRE, wag, 56)
    body.chain(BODY, first, second, third)
    end: Disc = (joints.between(-730, 110), joints.between(230, 44) - _CENTRE, wag, 16)
    body.part(LIGHT, third, end)


_MODELS: tuple[Callable[[Body, Joints], None], ...] = (
    snake, lizard, watercraft, whale, airplane, bird, dog, fox,
)  # fmt: skip


def model(kind: int, joints: Joints) -> Body:
    """The bodies of one kind, a row of `OBJECT_KINDS`, bent as `joints` says."""
    body = Body(len(joints.phase))
    _MODELS[kind](body, joints)
    return body
