//! Nothing is generated; the file is here so that the features of the build dependencies count too.

fn main() {}
