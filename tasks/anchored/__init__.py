"""The stages of the preset `anchored`, where they differ from those of the paper's presets."""
