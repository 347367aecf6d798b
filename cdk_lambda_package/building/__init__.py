"""Wheels made of sources, each once, and judged by what came out."""
