-- The call log as Android 14's provider shows it; NULL and '' stand where they do on a phone.
PRAGMA journal_mode = DELETE;
CREATE TABLE calls (
    formatted_number TEXT, duration INTEGER, subject TEXT DEFAULT '',
    is_call_log_phone_account_migration_pending INTEGER DEFAULT 0, subscription_id TEXT,
    photo_id INTEGER DEFAULT 0, post_dial_digits TEXT DEFAULT '', call_screening_app_name TEXT,
    priority INTEGER DEFAULT -1, number TEXT, countryiso TEXT DEFAULT 'DE', photo_uri TEXT,
    geocoded_location TEXT, missed_reason INTEGER DEFAULT 0, is_business_call INTEGER DEFAULT 0,
    block_reason INTEGER DEFAULT 0, subscription_component_name TEXT
        DEFAULT 'com.android.phone/com.android.services.telephony.TelephonyConnectionService',
    add_for_all_users INTEGER DEFAULT 1, numbertype INTEGER, features INTEGER DEFAULT 0,
    transcription TEXT, last_modified INTEGER, _id INTEGER PRIMARY KEY AUTOINCREMENT,
    new INTEGER DEFAULT 1, date INTEGER, name TEXT, type INTEGER, presentation INTEGER,
    via_number TEXT DEFAULT '', numberlabel TEXT, normalized_number TEXT, composer_photo_uri TEXT,
    phone_account_address TEXT, phone_account_hidden INTEGER DEFAULT 0, lookup_uri TEXT,
    voicemail_uri TEXT, matched_number TEXT, transcription_state INTEGER DEFAULT 0,
    data_usage INTEGER, location TEXT, asserted_display_name TEXT,
    call_screening_component_name TEXT, is_read INTEGER
);
-- Of the contacts provider's data/phones, what matters; data1 is as typed, data4 as E.164 or NULL.
CREATE TABLE phones (
    display_name TEXT, contact_id INTEGER, data1 TEXT, data2 INTEGER DEFAULT 2, data3 TEXT,
    data4 TEXT, _id INTEGER PRIMARY KEY AUTOINCREMENT, raw_contact_id INTEGER,
    mimetype TEXT DEFAULT 'vnd.android.cursor.item/phone_v2', is_primary INTEGER DEFAULT 0,
    last_time_contacted INTEGER DEFAULT 0
);
-- As the provider does: the 500 latest of each SIM stay.
CREATE TRIGGER only_500 AFTER INSERT ON calls BEGIN
    DELETE FROM calls WHERE _id IN (
        SELECT _id FROM calls WHERE subscription_id IS new.subscription_id
        ORDER BY date DESC LIMIT -1 OFFSET 500);
END;
