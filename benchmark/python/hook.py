"""The hook as teams write it in Python: the same calls as `after-allow-traffic`, with boto3 and httpx."""

import json
import os
import ssl
import time
from datetime import datetime, timezone

import boto3
import httpx


def handler(event, _context):
    started = time.monotonic()
    codedeploy = boto3.client("codedeploy")
    deployment_id = event["DeploymentId"]

    deployment = codedeploy.get_deployment(deploymentId=deployment_id)["deploymentInfo"]
    codedeploy.get_application_revision(
        applicationName=deployment["applicationName"], revision=deployment["revision"]
    )
    target_ids = codedeploy.list_deployment_targets(deploymentId=deployment_id)["targetIds"]
    codedeploy.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=target_ids)

    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    with httpx.Client(verify=context, timeout=10) as http:
        answer = http.get(os.environ["CHECKED_URL"] + "/health")
    verdict = "Succeeded" if answer.status_code == 200 else "Failed"

    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=deployment_id,
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=verdict,
    )
    detail = {
        "deployment_id": deployment_id,
        "verdict": verdict,
        "duration_ms": round((time.monotonic() - started) * 1000),
        "at": datetime.now(timezone.utc).isoformat(),
    }
    boto3.client("events").put_events(
        Entries=[{"Source": "benchmark", "DetailType": "Hook Verdict", "Detail": json.dumps(detail)}]
    )
    return {"verdict": verdict}
