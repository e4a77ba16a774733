"""What a run shows: meters, calibration, TensorBoard, log, figures."""
