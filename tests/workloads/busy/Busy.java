/* SPDX-License-Identifier: Apache-2.0 */
/* What Java programs do all day, for ever, in two threads. */
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.Deflater;

public class Busy {
	interface Shape {
		double area();
	}

	record Circle(double radius) implements Shape {
		public double area() {
			return Math.PI * radius * radius;
		}
	}

	record Square(double side) implements Shape {
		public double area() {
			return side * side;
		}
	}

	static final List<String> words = new ArrayList<>();
	static final Pattern pattern = Pattern.compile("([0-9]+)([a-f]+)");

	static long walk(int depth) {
		return depth == 0 ? 1 : walk(depth - 1) + walk(depth - 1);
	}

	static Map<Character, Long> count() {
		return words.stream().collect(Collectors.groupingBy(word -> word.charAt(0), HashMap::new,
								   Collectors.counting()));
	}

	static double measure() {
		List<Shape> shapes = new ArrayList<>();
		for (int i = 0; i < 5000; i++)
			shapes.add(i % 2 == 0 ? new Circle(i) : new Square(i));
		return shapes.stream().mapToDouble(Shape::area).sum();
	}

	static void digest() throws Exception {
		MessageDigest digest = MessageDigest.getInstance("SHA-256");
		for (String word : words)
			digest.update(word.getBytes());
		digest.digest();
	}

	static void squeeze() {
		Deflater deflater = new Deflater();
		deflater.setInput(String.join("", words).getBytes());
		deflater.finish();
		byte[] out = new byte[65536];
		while (!deflater.finished())
			deflater.deflate(out);
		deflater.end();
	}

	static void work() {
		try {
			while (true) {
				walk(18);
				count();
				measure();
				digest();
				squeeze();
				pattern.matcher(String.join(" ", words)).replaceAll("$2$1");
				new ArrayList<>(words).sort((a, b) -> a.substring(3).compareTo(b.substring(3)));
			}
		} catch (Exception e) {
			throw new RuntimeException(e);
		}
	}

	public static void main(String[] arguments) {
		for (int i = 1; i <= 2000; i++)
			words.add(Long.toHexString(i * 0x9e3779b97f4a7c15L));
		new Thread(Busy::work, "second").start();
		work();
	}
}
