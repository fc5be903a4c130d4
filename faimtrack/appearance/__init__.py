"""How people look, as vectors: networks that embed boxes, and crops for them."""
