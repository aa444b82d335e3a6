"""Only the queue's own insertions notify inside their transaction; ours are noticed after the commit (infra/db/notices)."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

NAME = "procrastinate_jobs_notify_queue_job_inserted_v1"
TRIGGER = f"""
    CREATE TRIGGER {NAME} AFTER INSERT ON procrastinate.procrastinate_jobs
    FOR EACH ROW WHEN ({{condition}})
    EXECUTE FUNCTION procrastinate.procrastinate_notify_queue_job_inserted_v1()
"""
WAITS = "new.status = 'todo'::procrastinate.procrastinate_job_status"


def upgrade() -> None:
    op.execute(f"DROP TRIGGER {NAME} ON procrastinate.procrastinate_jobs")
    op.execute(TRIGGER.format(condition=f"{WAITS} AND current_setting('application_name') = 'civitas-queue'"))


def downgrade() -> None:
    op.execute(f"DROP TRIGGER {NAME} ON procrastinate.procrastinate_jobs")
    op.execute(TRIGGER.format(condition=WAITS))
