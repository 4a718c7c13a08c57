//! What holds for every plan of partition moves, and for every run of one: properties over random clusters.

mod cases;
mod copies;
mod evacuate;
mod fetch;
mod planner;
mod runs;
mod tables;
