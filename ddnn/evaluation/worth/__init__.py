"""What a system is worth: bars on pooled costs over rolling test windows, met or not by code."""
