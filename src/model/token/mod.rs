//! Opening tokens that dashboards sealed with AES-256-GCM (PROVIDERS 9).
