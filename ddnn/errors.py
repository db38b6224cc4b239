"""What can go wrong, in words for the person who has to mend it."""


class DdnnError(Exception):
    """Base of every error that a user can mend: one line that says what, where and the way out."""


class ParamsError(DdnnError):
    """A setting is unknown, missing or outside its range."""


class DemandError(DdnnError):
    """Demand cannot be read, or cannot be used as it is."""


class ArtefactError(DdnnError):
    """A stored artefact is missing, incomplete or altered."""


class ModelError(DdnnError):
    """A trained model does not fit what is asked of it."""
