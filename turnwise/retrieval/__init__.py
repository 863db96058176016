"""Full-text search: a BM25 index that ranks documents as Lucene does."""
