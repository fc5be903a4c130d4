"""The paper's figures, drawn of our networks."""
