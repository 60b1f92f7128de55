"""HDF5 files that anybody may have made: all that is in them is looked at before any of it is read.

HDF5 can say "my values are in that other file", "I am a view of these", "I am called by another name", "I am a billion
zeros": a reader that follows reads files of this machine, waits for pipes, or fills its memory. No file of biasloop
has any of it, so a file that has is refused, wherever in it that stands.
"""

from biasloop.hdf5.looking import Value
from biasloop.hdf5.reading import Dataset, Group, opened
from biasloop.hdf5.refusing import Malformed, Unsafe
from biasloop.hdf5.window import Window

__all__ = ["Dataset", "Group", "Malformed", "Unsafe", "Value", "Window", "opened"]
