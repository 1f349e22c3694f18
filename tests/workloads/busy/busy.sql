-- SPDX-License-Identifier: Apache-2.0
-- What databases do all day: insert, index, join, sort, match, aggregate.
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, item TEXT, price REAL);
INSERT INTO orders
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
	SELECT i, i * 7919 % 5000, hex(i * 2654435761), i * 31 % 997 / 7.0 FROM n;
CREATE INDEX by_customer ON orders(customer);
SELECT count(*), sum(price) FROM (SELECT customer, sum(price) AS price FROM orders GROUP BY customer ORDER BY price);
SELECT count(*) FROM orders a JOIN orders b ON a.customer = b.customer AND a.price < b.price;
SELECT count(*) FROM (SELECT DISTINCT substr(item, 3) FROM orders WHERE item LIKE '%3%4%' ORDER BY item DESC);
UPDATE orders SET price = price * 1.1 WHERE customer % 3 = 0;
SELECT json_group_array(json_object('id', id, 'item', item)) FROM orders WHERE id < 20000;
WITH RECURSIVE fib(n, a, b) AS (SELECT 1, 0, 1 UNION ALL SELECT n + 1, b, (a + b) % 1000003 FROM fib WHERE n < 200000)
	SELECT max(a) FROM fib;
DROP TABLE orders;
