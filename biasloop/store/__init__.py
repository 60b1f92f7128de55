"""HDF5 stores of runs: layout, atomic writer, reader, verify, repair. The format: `docs/store-format.md`."""
