"""One module per stage: read artefacts, call the library, write artefacts."""
