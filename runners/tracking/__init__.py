"""The output of a run: meters, calibration, TensorBoard, log, figures."""
