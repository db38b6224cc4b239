"""A trained system outside the pipeline: its folder, and decisions and allocations made with it.

Import from the modules: ``bundle``, ``allocate``, ``table`` and ``onnx_model`` need torch,
``manifest`` needs nothing but Python.
"""
