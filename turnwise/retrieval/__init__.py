"""Lexical search: BM25 over postings that ranks as Lucene does."""
