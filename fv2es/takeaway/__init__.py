"""What a person carries home: result files, an annotated video, a link that opens the result again."""

from fv2es.takeaway.files import KINDS, file_name, write
from fv2es.takeaway.result import Result
from fv2es.takeaway.shelf import Shelf, ShelfError
from fv2es.takeaway.video import annotate

__all__ = ["KINDS", "Result", "Shelf", "ShelfError", "annotate", "file_name", "write"]
