// SPDX-License-Identifier: Apache-2.0

// Burns 70, 20 and 10 % of its time in functions of these names, for so many seconds.
public class Weights {
	static int burn_70(int x) {
		for (int i = 0; i < 700000; i++) x = (x ^ x << 13) + i;
		return x;
	}

	static int burn_20(int x) {
		for (int i = 0; i < 200000; i++) x = (x ^ x << 13) + i;
		return x;
	}

	static int burn_10(int x) {
		for (int i = 0; i < 100000; i++) x = (x ^ x << 13) + i;
		return x;
	}

	static int round(int x) {
		return burn_70(x) + burn_20(x) + burn_10(x);
	}

	public static void main(String[] args) {
		long end = System.nanoTime() + (long) (1e9 * Double.parseDouble(args[0]));
		int x = 1;

		while (System.nanoTime() < end) x = round(x);
		System.out.println(x);
	}
}
