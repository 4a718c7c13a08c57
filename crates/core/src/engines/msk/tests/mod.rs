mod outages;
mod sizing;
