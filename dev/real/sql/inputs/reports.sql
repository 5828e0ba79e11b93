SELECT customers.city AS city, COUNT(*) AS sold, SUM(lines.quantity * lines.price) AS total
FROM lines
JOIN orders ON orders.id = lines.ordered
JOIN customers ON customers.id = orders.customer
GROUP BY customers.city
ORDER BY customers.city;

SELECT products.kind AS kind, SUM(lines.quantity) AS sold, MAX(lines.price) AS dearest
FROM lines
JOIN products ON products.id = lines.product
GROUP BY products.kind
HAVING SUM(lines.quantity) > 5
ORDER BY products.kind;

SELECT id, UPPER(title) AS title, price * stock AS worth
FROM products
WHERE title LIKE '%ar%' AND stock BETWEEN 10 AND 90
ORDER BY price DESC, id;

SELECT customers.id AS id, customers.name AS name, orders.status AS status
FROM customers
LEFT JOIN orders ON orders.customer = customers.id
WHERE customers.city IN ('Bergen', 'Porto', 'Trieste')
ORDER BY customers.id DESC
LIMIT 40;

SELECT status, COUNT(*) AS n, MIN(day) AS first, MAX(day) AS last
FROM orders
GROUP BY status
ORDER BY status;
