"""Others' clients of Jira, unchanged: they take our stand-in for Jira, in both versions of its API.

Both are built on requests, so that they block and obey the proxies of the environment: each script
gets its own process.
"""

import asyncio
import os
import sys

import pytest

from receivers.jira.receiver import JiraReceiver
from receivers.receiver import serving

DOCUMENT = {
    "type": "doc",
    "version": 1,
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Queries take 20 s."}]}],
}
TEXTS = {"2": "Queries take 20 s.", "3": DOCUMENT}

# pycontribs' client pages searches of Data Center, and calls Cloud's new search by another name.
JIRA = """
import sys, jira
url, version, text = sys.argv[1], sys.argv[2], eval(sys.argv[3])
client = jira.JIRA(server=url, basic_auth=("jo@example.com", "a-token"), max_retries=0,
                   options={"rest_api_version": version})
fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "Database is slow",
          "description": text, "labels": ["firelater-1"]}
issue = client.create_issue(fields=fields)
client.transition_issue(issue, "Done")
client.add_comment(issue, text)
search = client.search_issues if version == "2" else client.enhanced_search_issues
[found] = search('labels in ("firelater-1") ORDER BY created ASC', fields="status,labels")
print(found.key, found.fields.status, found.fields.labels, len(client.comments(issue)))
print(client.myself()["displayName"])
if version == "2":  # of Cloud, it asks for the fields of new issues in a way that was removed
    [type, _] = client.project_issue_types("OPS")
    print(type, [field.fieldId for field in client.project_issue_fields("OPS", type.id)])
for wrong in ({"project": {"key": "NONE"}}, {"issuetype": {"name": "Epos"}}, {"colour": "red"}):
    try:
        client.create_issue(fields=fields | wrong)
    except jira.JIRAError as error:
        print(error.status_code, error.text)
"""
ATLASSIAN = """
import sys, atlassian
url, version, text = sys.argv[1], sys.argv[2], eval(sys.argv[3])
client = atlassian.Jira(url=url, username="jo@example.com", password="a-token",
                        cloud=version == "3", api_version=version)
made = client.issue_create({"project": {"key": "OPS"}, "issuetype": {"name": "Task"},
                            "summary": "Database is slow", "description": text, "labels": ["x"]})
client.set_issue_status(made["key"], "Done")
client.issue_add_comment(made["key"], text)
search = client.enhanced_jql if version == "3" else client.jql
[found] = search('labels in ("x")')["issues"]
print(made["key"], client.get_issue_status(made["key"]), found["fields"]["labels"])
"""


async def run_client(receiver: JiraReceiver, script: str, version: str) -> tuple[int, list[str]]:
    """The exit status of the client and the lines that it printed."""
    async with serving(receiver):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, receiver.url, version, repr(TEXTS[version])),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
        )
        printed, _ = await asyncio.wait_for(client.communicate(), 60)
    return await client.wait(), printed.decode().splitlines()


@pytest.mark.parametrize("version", TEXTS)
async def test_jira_leads_an_issue_through_its_life(version: str) -> None:
    status, printed = await run_client(JiraReceiver(), JIRA, version)
    assert status == 0, printed
    assert printed[:2] == ["OPS-1 Done ['firelater-1'] 1", "FireLater"]
    if version == "2":
        fields = ["summary", "issuetype", "project", "description", "labels", "priority"]
        assert printed[2] == f"Task {fields}"
    project, type, field = printed[-3:]
    assert project == "400 Specify a valid project ID or key"
    assert type == "400 Specify a valid issue type"
    assert "Field 'colour' cannot be set" in field


@pytest.mark.parametrize("version", TEXTS)
async def test_atlassian_python_api_leads_an_issue_through_its_life(version: str) -> None:
    status, printed = await run_client(JiraReceiver(), ATLASSIAN, version)
    assert status == 0, printed
    assert printed == ["OPS-1 Done ['x']"]
