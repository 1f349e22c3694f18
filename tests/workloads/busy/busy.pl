# SPDX-License-Identifier: Apache-2.0
# What Perl programs do all day, for ever.
use strict;
use warnings;

my @words = map { sprintf "%08x-%d", ($_ * 2654435761) % 4294967296, $_ } 1 .. 3000;

sub walk {
	my ($depth) = @_;
	return $depth ? walk($depth - 1) + walk($depth - 1) : 1;
}

sub match {
	my $text = join ' ', @words;
	my %seen;
	$seen{$1}++ while $text =~ /\b([0-9a-f]{2,5}?)[a-f0-9]*-(?=\d*7)/g;
	$text =~ s/([a-f]+)(\d+)/$2$1/g;
	return scalar keys %seen;
}

sub order {
	return sort { substr($a, 3) cmp substr($b, 3) || $a cmp $b } @words;
}

while (1) {
	match();
	my @sorted = order();
	walk(12);
	my $packed = pack 'N*', map { hex substr $_, 0, 8 } @sorted;
	my $sum = unpack '%32N*', $packed;
}
