-- A row is an alarm. Ask every minute, on the primary: psql -XAtf alarm.sql
-- A repository that does not answer makes PostgreSQL keep every segment until its disk is full.
SELECT format(
    'WAL is not archived: %s segments wait, the last was archived %s, the last failure was %s (%s).',
    waiting.count, coalesce(last_archived_time::text, 'never'), coalesce(last_failed_time::text, 'never'),
    coalesce(last_failed_wal, 'none'))
FROM pg_stat_archiver,
    LATERAL (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS waiting
WHERE last_failed_time > coalesce(last_archived_time, '-infinity')
    OR waiting.count > 4
    OR (waiting.count > 0 AND coalesce(last_archived_time, '-infinity') < now() - interval '5 minutes');
