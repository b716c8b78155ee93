-- Two roles, two schemas, one database: neither can read what the other writes.
-- psql -v polydock_password=… -v dagster_password=… -f roles.sql
CREATE ROLE polydock LOGIN PASSWORD :'polydock_password' CONNECTION LIMIT 65;
CREATE ROLE dagster LOGIN PASSWORD :'dagster_password' CONNECTION LIMIT 30;
CREATE DATABASE polydock;
REVOKE ALL ON DATABASE polydock FROM PUBLIC;
GRANT CONNECT ON DATABASE polydock TO polydock, dagster;
\connect polydock
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA polydock AUTHORIZATION polydock;
CREATE SCHEMA dagster AUTHORIZATION dagster;
-- Both keep a table alembic_version, so each finds its own schema and no other.
ALTER ROLE polydock IN DATABASE polydock SET search_path = polydock;
ALTER ROLE dagster IN DATABASE polydock SET search_path = dagster;
