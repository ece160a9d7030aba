//! For tests only: recording fakes of the ports, event builders, a clock
