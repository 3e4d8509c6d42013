-- The rows of the shop, made on the server: nothing travels over the connection.

INSERT INTO users (email, full_name, legacy_uuid, created_at)
SELECT 'customer' || n || '@example.org', 'Customer ' || n,
       -- Accounts of the last year never had one.
       CASE WHEN n <= 11000 THEN md5('user ' || n)::uuid END,
       timestamptz '2023-01-01 00:00+00' + n * interval '2 hours'
  FROM generate_series(1, 12000) AS n;

INSERT INTO products (sku, name, price, supplier_code)
SELECT 'SKU-' || lpad(n::text, 5, '0'), 'Product ' || n, 1 + (n * 37 % 9900) / 100.0,
       CASE WHEN n % 3 > 0 THEN 'SUP' || n % 40 END
  FROM generate_series(1, 500) AS n;

INSERT INTO orders (user_id, status, discount_code, placed_at, total)
SELECT 1 + n * 7919 % 12000,
       (enum_range(NULL::order_status))[1 + n % 3],
       CASE WHEN n % 4 = 0 THEN 'SPRING' || n % 25 WHEN n % 7 = 0 THEN '' END,
       timestamptz '2024-01-01 00:00+00' + n * interval '30 minutes',
       0
  FROM generate_series(1, 30000) AS n;

INSERT INTO order_items (order_id, product_id, quantity, unit_price)
SELECT n, p.id, 1 + n % 3, p.price
  FROM generate_series(1, 30000) AS n
 CROSS JOIN generate_series(0, 1) AS item
  JOIN products AS p ON p.id = 1 + (n * 13 + item * 101) % 500;

UPDATE orders
   SET total = (SELECT sum(quantity * unit_price) FROM order_items WHERE order_id = orders.id);

INSERT INTO sessions (token, user_id, user_agent, started_at)
SELECT md5('session ' || n)::uuid, 1 + n * 31 % 12000, 'Browser ' || n % 9,
       timestamptz '2025-06-01 00:00+00' + n * interval '1 minute'
  FROM generate_series(1, 15000) AS n;

INSERT INTO audit_log (user_id, action, details, at)
SELECT 1 + n * 17 % 12000, 'order.' || (ARRAY['placed', 'paid', 'shipped'])[1 + n % 3],
       jsonb_build_object('order', n),
       timestamptz '2025-01-01 00:00+00' + n * interval '20 minutes'
  FROM generate_series(1, 20000) AS n;

INSERT INTO audit_log_2024 (id, user_id, action, details, at)
SELECT 1000000 + n, 1 + n * 19 % 12000, 'login', jsonb_build_object('try', n % 3),
       timestamptz '2024-01-01 00:00+00' + n * interval '20 minutes'
  FROM generate_series(1, 20000) AS n;

-- So that the planner's estimates, which `zanith-recover list` shows for soft drops, are there.
ANALYZE;
