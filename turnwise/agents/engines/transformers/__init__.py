"""The embedded engine: continuous batching over any causal language model of transformers."""
