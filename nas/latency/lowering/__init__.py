"""From a graph to the kernels that a runtime executes."""
