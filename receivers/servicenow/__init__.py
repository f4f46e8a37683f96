"""ServiceNow on this machine: an instance with its Table API."""

from receivers.servicenow.receiver import ServiceNowReceiver as ServiceNowReceiver
