"""Configuration files (to be edited), and the code that loads and checks them."""
