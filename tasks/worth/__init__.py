"""The rolling-origin evaluation: its stages, which are pieces of it, and what they leave."""
