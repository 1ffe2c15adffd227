//! Inputs that once went wrong.
