// SPDX-License-Identifier: Apache-2.0
//! What Rust programs do all day, for ever, in two threads.

use std::collections::{BTreeMap, HashMap};
use std::thread;

trait Shape {
    fn area(&self) -> f64;
}

struct Square(f64);
struct Circle(f64);

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl Shape for Circle {
    fn area(&self) -> f64 {
        3.0 * self.0 * self.0
    }
}

#[inline(never)]
fn walk(depth: u32) -> u64 {
    if depth == 0 {
        1
    } else {
        walk(depth - 1) + walk(depth - 1)
    }
}

#[inline(never)]
fn measure() -> f64 {
    let shapes: Vec<Box<dyn Shape>> = (0..5000)
        .map(|i| -> Box<dyn Shape> {
            if i % 2 == 0 {
                Box::new(Square(i as f64))
            } else {
                Box::new(Circle(i as f64))
            }
        })
        .collect();
    shapes.iter().map(|shape| shape.area()).sum()
}

#[inline(never)]
fn count(words: &[String]) -> usize {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in words {
        *counts.entry(&word[..3]).or_insert(0) += 1;
    }
    let ordered: BTreeMap<_, _> = counts.into_iter().collect();
    ordered.values().sum()
}

#[inline(never)]
fn order(words: &[String]) -> Vec<String> {
    let mut sorted = words.to_vec();
    sorted.sort_by(|a, b| a[3..].cmp(&b[3..]));
    sorted
}

fn work() {
    let words: Vec<String> =
        (0..2000u64).map(|i| format!("{:016x}", i.wrapping_mul(0x9e3779b97f4a7c15))).collect();
    let mut total = 0;
    loop {
        total ^= walk(16) + measure() as u64 + count(&words) as u64;
        total ^= order(&words).len() as u64;
        if total == 0x9e3779b97f4a7c15 {
            println!("{}", total); // never, but the compiler cannot know
        }
    }
}

fn main() {
    thread::spawn(work);
    work();
}
