"""The choice of high scores and the suppression of overlaps, as part of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

# As `read_rows` does it: an anchor stands for its best class. Whatever is no candidate gets a
# score below the operator's own limit, which unlike ours must be exceeded.
_GRAPH = """
suppression (float[batch, anchors, columns] rows) => (float[boxes, 7] detections) {
    centres, sizes, objectness, classes = Split <axis = 2> (rows, widths)
    half_sizes = Mul (sizes, half)
    first_corners = Sub (centres, half_sizes)
    second_corners = Add (centres, half_sizes)
    corners = Concat <axis = 2> (first_corners, second_corners)

    best = ArgMax <axis = 2> (classes)
    is_best = Equal (best, class_numbers)
    scores = Mul (objectness, classes)
    is_low = Less (scores, score_threshold)
    is_high = Not (is_low)
    is_candidate = And (is_best, is_high)
    candidates = Where (is_candidate, scores, no_score)
    class_scores = Transpose <perm = [0, 2, 1]> (candidates)

    chosen = NonMaxSuppression (corners, class_scores, most_boxes, nms_threshold, lowest_score)
    image, class_id, anchor = Split <axis = 1> (chosen, single_columns)
    places = Gather <axis = 1> (chosen, image_and_anchor)
    chosen_corners = GatherND (corners, places)
    chosen_scores = GatherND (class_scores, chosen)
    image_column = Cast <to = 1> (image)
    score_column = Unsqueeze (chosen_scores, column_axis)
    class_column = Cast <to = 1> (class_id)
    detections = Concat <axis = 1> (image_column, chosen_corners, score_column, class_column)
}
"""


def add_suppression(
    graph: Any, class_count: int, score_threshold: float, nms_threshold: float
) -> None:
    """Let a graph give detections in the place of its rows.

    Args:
        graph: An ONNX graph whose one output is `rows` `(batch, anchors, 5 + classes)`; it is
            changed. Its output is then `detections` `(boxes, 7)`, see `export_onnx`.
        class_count: Classes of the network.
        score_threshold: Which scores are kept.
        nms_threshold: Above which IoU the weaker box of a class goes.
    """
    from onnx import numpy_helper, parser

    constants = {
        "widths": np.array([2, 2, 1, class_count]),
        "half": np.float32(0.5),
        "class_numbers": np.arange(class_count),
        "score_threshold": np.float32(score_threshold),
        "no_score": np.float32(-1),
        "most_boxes": np.array(np.iinfo(np.int32).max, np.int64),
        "nms_threshold": np.float32(nms_threshold),
        "lowest_score": np.float32(-0.5),
        "single_columns": np.array([1, 1, 1]),
        "image_and_anchor": np.array([0, 2]),
        "column_axis": np.array([1]),
    }
    suppression = parser.parse_graph(_GRAPH)
    graph.node.extend(suppression.node)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    graph.output[0].CopyFrom(suppression.output[0])
