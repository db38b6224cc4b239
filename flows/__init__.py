"""Composition of the stages: the pipeline, the schedule, the command line."""
