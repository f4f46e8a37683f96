"""What Slack's errors mean, by their names: whose fault they are, and what can be done. Pure.

Source: docs.slack.dev, chat.postMessage ("Errors") and "Sending messages using incoming webhooks"
("Handling errors"). Only errors that Slack documents as faults of the message are final. Those
that an administrator can mend wait for that. An unknown error may be a passing trouble, so it is
tried again.
"""

from domain.integration.outcome import FailureClass

_OF_THE_MESSAGE = """
    msg_too_long msg_blocks_too_long no_text invalid_blocks invalid_blocks_format
    too_many_attachments too_many_contact_cards attachment_payload_limit_exceeded
    invalid_attachments invalid_metadata_format invalid_metadata_schema metadata_too_large
    metadata_must_be_sent_from_app markdown_text_conflict missing_file_data cannot_reply_to_message
    duplicate_message_not_found duplicate_channel_not_found as_user_not_supported
    invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data
    invalid_post_type missing_post_type invalid_json json_not_object
    invalid_payload user_not_found missing_text_or_fallback_or_attachments
"""
_TO_MEND = {
    "make the app's token anew (install the app again), and put it into the integration": """
        not_authed invalid_auth account_inactive token_revoked token_expired
        not_allowed_token_type two_factor_setup_required""",
    "give the app the scope chat:write and install it again": "missing_scope no_permission",
    "invite the app to the channel": "not_in_channel",
    "there is no such channel, or it is private and the app not in it": "channel_not_found",
    "the channel is archived: unarchive it, or name another": "is_archived channel_is_archived",
    "the channel takes no messages from the app: ask who administers it, or name another": """
        restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel
        restricted_action_non_threadable_channel restricted_action_thread_locked
        posting_to_general_channel_denied messages_tab_disabled
        method_not_supported_for_channel_type send_on_behalf_not_allowed
        slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked
        slack_connect_lists_sharing_blocked""",
    "the workspace keeps the app out: ask its administrators": """
        access_denied accesslimited ekm_access_denied enterprise_is_restricted
        team_access_not_granted action_prohibited""",
    "name the channel by its id: the app is installed in a whole organisation": "team_not_found",
    "Slack has no such method (any more): look at baseUrl, or upgrade this service": """
        deprecated_endpoint method_deprecated unknown_method""",
    "the webhook is gone: make another, and put its URL into the integration": """
        no_service no_service_id no_team no_active_hooks invalid_token team_disabled""",
}
_PASSING = """
    internal_error fatal_error rollup_error request_timeout service_unavailable
    team_added_to_org org_login_required message_limit_exceeded
"""

KINDS = {
    **dict.fromkeys(_OF_THE_MESSAGE.split(), FailureClass.PERMANENT),
    **dict.fromkeys(" ".join(_TO_MEND.values()).split(), FailureClass.MISCONFIGURED),
    **dict.fromkeys(_PASSING.split(), FailureClass.TRANSIENT),
    **dict.fromkeys(("ratelimited", "rate_limited"), FailureClass.THROTTLED),
}
ADVICE = {error: advice for advice, errors in _TO_MEND.items() for error in errors.split()}
PARTLY_DONE = frozenset({"internal_error", "fatal_error"})  # may be so, as Slack documents

# Of chat.update: what becomes of the reply that follows the edit.
GONE = frozenset({"message_not_found"})
NOT_EDITABLE = frozenset({"cant_update_message", "edit_window_closed"})


def kind_of(error: str | None, status: int) -> FailureClass | None:
    """The class of an error; None where the status decides: with 429, with 5xx, and for an error
    that is not known, unless the status is a 2xx."""
    if error is None or status == 429 or status >= 500:
        return None
    return KINDS.get(error, FailureClass.TRANSIENT if 200 <= status < 300 else None)


def advice_on(error: str) -> str:
    """The error with what can be done about it."""
    return f"{error}: {ADVICE[error]}" if error in ADVICE else error
