"""UTP, the forecasting transformer, and BYOT, its auxiliary heads."""
