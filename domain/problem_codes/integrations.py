"""Codes of integrations, of the addresses that they call, and of notifications."""

from domain.problem_codes.code import ProblemCode as Code

INTEGRATIONS = (
    Code(
        "unknown_type",
        422,
        "There is no such type of integration.",
        "Use one of the types that `GET /v1/integrations/types` lists.",
    ),
    Code(
        "type_fixed",
        422,
        "The type of an integration or of a notification channel cannot change.",
        "Create another one of the wanted type.",
    ),
    Code(
        "config_invalid",
        422,
        "The config does not fit the type of the integration or of the notification channel.",
        "Correct each place that `errors` points at.",
    ),
    Code(
        "config_missing",
        409,
        "The integration has no config yet.",
        "Give it a config with `PATCH` first.",
    ),
    Code(
        "secret_mask",
        422,
        "The config holds the mask that reads show in place of a secret.",
        "Leave the member out to keep the secret, or send the secret itself.",
    ),
    Code(
        "secret_required",
        422,
        "The config names another destination, so its secrets have to be given again.",
        "Send every secret that `errors` points at, or null to remove it.",
    ),
    Code(
        "secrets_unreadable",
        409,
        "The stored secrets cannot be decrypted with the keys of this service.",
        "Have the key restored that `detail` names, or create the integration anew.",
    ),
    Code(
        "no_signing_secret",
        409,
        "Integrations of this type have no signing secret that could be rotated.",
        "Change the secrets of the config with `PATCH`.",
    ),
    Code(
        "sync_unsupported",
        422,
        "Integrations of this type only send; there is nothing to keep in step.",
        "Leave `syncEnabled` out, or set it to false.",
    ),
    Code(
        "belongs_to_channel",
        409,
        "The integration is one notification channel's own connection. A request to change it is"
        " answered 409; a body that names it for another channel is answered 422.",
        "Change the notification channel that has it, or use another integration.",
        other_status=422,
    ),
)

ADDRESSES = (
    Code(
        "url_malformed",
        422,
        "The URL or the host is malformed, or can be read in two ways.",
        "Write a plain URL such as `https://example.com/hook`.",
    ),
    Code(
        "scheme_not_allowed",
        422,
        "The URL does not begin with `https`.",
        "Use `https`; plain `http` needs an entry in `EGRESS_ALLOW`.",
    ),
    Code(
        "userinfo_not_allowed",
        422,
        "The URL holds a user or a password.",
        "Give credentials in the members that are meant for them.",
    ),
    Code(
        "unicode_host",
        422,
        "The host has characters that are not allowed in international domain names.",
        "Write the host in ASCII (`xn--…`), or correct it.",
    ),
    Code(
        "numeric_host",
        422,
        "The host is a number, but not a whole IP address.",
        "Write the IP address in full, or a name.",
    ),
    Code(
        "zone_id_not_allowed",
        422,
        "The IPv6 address names a zone (`%…`).",
        "Write the address without the zone.",
    ),
    Code(
        "port_not_allowed",
        422,
        "The port is not one that may be called.",
        "Use a usual port, or have address and port listed in `EGRESS_ALLOW`.",
    ),
    Code(
        "local_name",
        422,
        "The host is a name of this machine or of a local network.",
        "Use a public name, or have address and port listed in `EGRESS_ALLOW`.",
    ),
    Code(
        "blocked_address",
        422,
        "The address is not public, or is one of this service's own servers.",
        "Use a public address, or have address and port listed in `EGRESS_ALLOW`.",
    ),
)

NOTIFICATIONS = (
    Code(
        "unknown_integration",
        422,
        "There is no integration with this `integration_id`.",
        "Use the id of one of the tenant's integrations.",
    ),
    Code(
        "type_mismatch",
        422,
        "The notification channel and its integration are of different types.",
        "Name an integration of the channel's type.",
    ),
    Code(
        "config_of_integration",
        422,
        "The notification channel names an integration and has a connection of its own as well.",
        "Leave out `integration_id`, or the members of `config` that say how to connect.",
    ),
    Code(
        "channel_in_use",
        409,
        "`users` users have chosen this notification channel in their preferences.",
        "Change those preferences, or delete the channel with `?force=true`.",
    ),
    Code(
        "unknown_channel",
        422,
        "Preferences name a notification channel that does not exist.",
        "Remove each id that `errors` points at.",
    ),
    Code(
        "too_many_choices",
        422,
        "The user has `limit` choices already, which is the most that are kept.",
        "Replace all of the user's choices with fewer ones.",
    ),
)
