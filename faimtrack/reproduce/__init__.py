"""The paper's experiments: each table and figure made anew, ours beside the paper's."""
