"""A folder of models: one folder for each, named by its id, and a file `current` that names one."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ddnn.errors import ArtefactError
from ddnn.runtime.manifest import MANIFEST, ORIGIN, bundle_files, model_id, verify

_ID = re.compile(r"[0-9a-f]{12}")
_CURRENT = "current"
_DRAFT = ".draft-"


class ModelStore:
    """Models side by side; what is half written is never seen."""

    def __init__(self, root: Path) -> None:
        """Open it, or make it.

        Raises:
            ArtefactError: It cannot be made.
        """
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            for left in root.glob(f"{_DRAFT}*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise ArtefactError(f"{root}: no folder for models ({error.strerror})") from error

    def folder(self, model: str) -> Path:
        """Give the folder of a model; it need not be there.

        Raises:
            ArtefactError: That is no id.
        """
        if not _ID.fullmatch(model):
            raise ArtefactError(f"{self.root}: {model!r:.40} is no id of a model")
        return self.root / model

    def current(self) -> str | None:
        """Give the id of the model that is to be served; None: none is yet.

        Raises:
            ArtefactError: The file names none.
        """
        path = self.root / _CURRENT
        try:
            model = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ArtefactError(f"{path}: cannot be read; publish a model again") from error
        if not self.folder(model).is_dir():
            raise ArtefactError(f"{path}: names {model}, which is not there; publish it again")
        return model

    def choose(self, model: str) -> None:
        """Make a model the current one, in one step.

        Raises:
            ArtefactError: It is not there.
        """
        if not self.folder(model).is_dir():
            raise ArtefactError(f"{self.root}: there is no model {model}; publish it first")
        draft = self.root / f"{_DRAFT}{os.getpid()}"
        draft.write_text(model + "\n", encoding="utf-8")
        draft.replace(self.root / _CURRENT)

    @contextlib.contextmanager
    def adding(self, model: str) -> Iterator[Path]:
        """Give a folder to fill; it takes its place when it is whole.

        Raises:
            ArtefactError: Its manifest is not that of the model, or it cannot be written.
        """
        place = self.folder(model)
        draft = self.root / f"{_DRAFT}{model}-{os.getpid()}"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            yield draft
            if model_id((draft / MANIFEST).read_text(encoding="utf-8")) != model:
                raise ArtefactError(f"{draft}: is not model {model}")
            if place.exists():
                shutil.rmtree(place)
            draft.replace(place)
        except OSError as error:
            raise ArtefactError(f"{place}: cannot be written ({error.strerror})") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def publish(self, bundle: Path) -> str:
        """Copy a bundle here and make it the current model; give its id.

        Raises:
            ArtefactError: It is none, or cannot be copied.
        """
        _, model = verify(bundle)
        if not self.folder(model).is_dir():
            with self.adding(model) as draft:
                for name in (*bundle_files(bundle), MANIFEST):
                    (draft / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(bundle / name, draft / name)
                if (bundle / ORIGIN).is_file():
                    shutil.copyfile(bundle / ORIGIN, draft / ORIGIN)
                verify(draft)
        self.choose(model)
        return model
