"""One module per input format, each giving the three input tables with canonical columns."""
