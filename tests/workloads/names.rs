// SPDX-License-Identifier: Apache-2.0
//! Rust names of every kind that has to be demangled: module, generic, trait, closure.
//!
//!     names-rust [SECONDS]

use std::arch::asm;
use std::ptr::read_volatile;
use std::time::{Duration, Instant};

#[inline(always)]
fn burn(factor: u64) {
    let start = Instant::now();
    let mut x = factor;
    while start.elapsed() < Duration::from_millis(1) {
        for _ in 0..20000 {
            x = x.wrapping_mul(factor).wrapping_add(1);
            // Nothing happens to x, but the compiler cannot know.
            unsafe { asm!("/* {0} */", inout(reg) x) };
        }
    }
}

mod ledger {
    pub trait Account {
        fn settle(&self);
    }
    pub struct Book<T>(pub T);

    impl<T> Account for Book<T> {
        #[inline(never)]
        fn settle(&self) {
            super::burn(3);
        }
    }

    #[inline(never)]
    pub fn audit<T>(_: &T) {
        super::burn(5);
    }
}

#[inline(never)]
fn apply(f: &dyn Fn()) {
    let f = unsafe { read_volatile(&f) };
    f();
    // Something is left to do, so the call cannot become a jump.
    unsafe { asm!("") };
}

fn main() {
    use ledger::Account;

    let seconds: Option<f64> = std::env::args().nth(1).and_then(|s| s.parse().ok());
    let start = Instant::now();
    let book = ledger::Book("entries");
    while seconds.map_or(true, |s| start.elapsed().as_secs_f64() < s) {
        book.settle();
        ledger::audit(&book);
        apply(&|| burn(7));
    }
}
