//! Tests of the library through its public interface, and of the house rules, in one binary.

mod layering;
