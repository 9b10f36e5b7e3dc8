"""The words of the engine as frozen records. They hold values and check their own shape; they decide nothing."""
