"""What is asked of the operating system: directories, files, locks, memory, threads, launchers."""
