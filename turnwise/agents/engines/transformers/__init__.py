"""The embedded engine: continuous batching over any causal model of transformers."""
