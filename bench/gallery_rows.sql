-- One stretch of synthetic rows of the feed: three years of pictures, the popular things popular by a power law.
INSERT INTO feed_images (image_id, post_id, person_id, published_at, reactions, comments, collected, shuffle, week, fresh,
                         level, terms)
SELECT g, g / 4, (power(random(), 3) * %(people)s)::int, at,
       CASE WHEN r < 16 THEN r ELSE 16 + floor(8 * ln(r / 16.0) / ln(2.0))::int END,
       floor(least(r, 200) * 0.1 * random() * random())::int, floor(least(r, 200) * 0.2 * random() * random())::int,
       ('x' || left(md5(g::text), 8))::bit(32)::int, floor(extract(epoch FROM at) / 604800)::smallint,
       at > now() - interval '35 days', l,
       ARRAY(SELECT DISTINCT v FROM unnest(ARRAY[
           (1 << 26) + k, (1 << 26) + 32 + l, (2 << 26) + b, (3 << 26) + k * 100 + b,
           (6 << 26) + (power(ra[1], 6) * %(versions)s)::int, (6 << 26) + (power(ra[2], 6) * %(versions)s)::int,
           (7 << 26) + (power(ra[1], 6) * %(versions)s / 2)::int, (7 << 26) + (power(ra[2], 6) * %(versions)s / 2)::int,
           (4 << 26) + (power(ra[3], 5) * %(tags)s)::int, (4 << 26) + (power(ra[4], 5) * %(tags)s)::int,
           (4 << 26) + (power(ra[5], 5) * %(tags)s)::int, (4 << 26) + (power(ra[6], 5) * %(tags)s)::int,
           (4 << 26) + (power(ra[7], 5) * %(tags)s)::int, (5 << 26) + (power(ra[8], 3) * 40)::int,
           (1 << 26) + CASE WHEN ra[9] < 0.7 THEN 4 ELSE 6 END, (1 << 26) + CASE WHEN ra[10] < 0.3 THEN 5 ELSE 6 END,
           (1 << 26) + CASE WHEN ra[1] + ra[2] < 0.4 THEN 7 ELSE 6 END]) v ORDER BY v)
  FROM (SELECT g, now() - make_interval(secs => (%(rows)s - g) * (94608000.0 / %(rows)s)) AS at,
               floor(exp(-ln(1 - random() * 0.99999) * 1.1))::int - 1 + floor(random() * 2)::int AS r,
               (ARRAY[1,1,1,1,1,1,1,2,2,2,4,4,4,8,8,8,8,16,16,16])[1 + floor(random() * 20)::int] AS l,
               CASE WHEN random() < 0.08 THEN 2 WHEN random() < 0.005 THEN 3 ELSE 1 END AS k,
               (power(random(), 2.5) * 40)::int AS b,
               ARRAY[random(), random(), random(), random(), random(), random(), random(), random(), random(), random()] AS ra
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) g) x
