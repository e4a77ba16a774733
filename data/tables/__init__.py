"""Tables, in and out: files and DataFrames become items. The only place that knows tables."""

from data.tables.files import find_files
from data.tables.items import LAYOUTS, Item, TableError, TableOptions
from data.tables.reading import items_of_frame, read_items

__all__ = [
    "LAYOUTS",
    "Item",
    "TableError",
    "TableOptions",
    "find_files",
    "items_of_frame",
    "read_items",
]
