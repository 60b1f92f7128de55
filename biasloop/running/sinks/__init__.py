"""Who is told of runs beside their stores: chosen by name, each called so that it cannot stop a run."""
